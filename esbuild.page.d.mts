export const PAGE: string;
export function pageModule(): Promise<string>;
