export function isPage(id: string): boolean;
export function pageModule(id: string): Promise<string>;
