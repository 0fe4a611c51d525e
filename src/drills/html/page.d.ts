/** Made of the files in page/ by esbuild.page.mjs. */
declare module 'page:drill' {
  export const script: string;
  export const style: string;
}
