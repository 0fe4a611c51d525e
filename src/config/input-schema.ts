import * as z from 'zod/mini';
import { ruleSchema } from './alert-rules.js';
import { control, workerControl } from './control.js';
import { configSchema, postgres, redis, redisFields, ruleEntry, sinkEntry } from './schema.js';
import { sinkSchema } from './sinks.js';

type JsonSchema = z.core.JSONSchema.BaseSchema;

/** The format of the configuration file as JSON Schema, draft 2020-12: for editors, and other tools. */
export function inputSchema(): JsonSchema {
  const { $schema, ...rest } = z.toJSONSchema(configSchema, {
    io: 'input',
    override: describeInput,
  });
  return {
    ...($schema && { $schema }),
    title: 'cache-ops configuration',
    ...rest,
    $defs: { ...rest.$defs, reference: REFERENCE },
  };
}

const REFERENCE: JsonSchema = {
  type: 'object',
  description: 'the text of a file, relative to this one',
  properties: { file: { type: 'string' } },
  required: ['file'],
  additionalProperties: false,
};

/** What zod's schema does not say of itself: references, the short form, and the rules across fields. */
function describeInput({ zodSchema, jsonSchema, path }: Parameters<Override>[0]): void {
  if (zodSchema === redisFields) {
    jsonSchema.oneOf = ['url', 'sentinel', 'cluster'].map((key) => ({ required: [key] }));
  }
  if (zodSchema === sinkEntry || zodSchema === ruleEntry) {
    const { $schema: _, ...entry } = z.toJSONSchema(
      zodSchema === sinkEntry ? sinkSchema : ruleSchema,
      {
        io: 'input',
        override: describeInput,
      },
    );
    replace(jsonSchema, entry);
  }
  if (zodSchema === workerControl._zod.innerType)
    Object.assign(jsonSchema, { minProperties: 1, maxProperties: 1 });
  if (zodSchema === control._zod.innerType) {
    jsonSchema.minProperties = 1;
    jsonSchema.anyOf = [{ maxProperties: 1 }, { maxProperties: 2, required: ['proxy'] }];
  }
  if (zodSchema === redis || zodSchema === postgres) {
    replace(jsonSchema, {
      anyOf: [{ type: 'string', description: 'its URL' }, REFERENCED, { ...jsonSchema }],
    });
  }
  const isText = jsonSchema.type === 'string' && !jsonSchema.enum && jsonSchema.const === undefined;
  // Names are no values, and in `control` everything is left to the shell.
  if (isText && !path.includes('propertyNames') && !path.includes('control')) {
    const { description, default: fallback, ...text } = jsonSchema;
    replace(jsonSchema, {
      ...(description !== undefined && { description }),
      ...(fallback !== undefined && { default: fallback }),
      anyOf: [
        text,
        ...(text.pattern ? [{ type: 'string' as const, pattern: '\\$\\{\\w+' }] : []),
        REFERENCED,
      ],
    });
  }
}

type Override = NonNullable<NonNullable<Parameters<typeof z.toJSONSchema>[1]>['override']>;

const REFERENCED: JsonSchema = { $ref: '#/$defs/reference' };

function replace(schema: JsonSchema, by: JsonSchema): void {
  for (const key of Object.keys(schema)) delete schema[key];
  Object.assign(schema, by);
}
