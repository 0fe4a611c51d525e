import type { Plugin } from 'vitest/config';

export function isPage(id: string): boolean;
export function pageModule(id: string): Promise<string>;
export const pages: Plugin;
