import type { Readable } from 'node:stream';

/** The head of a file's part comes this early: only short fields stand before it. */
const SEARCHED_BYTES = 64 * 1024; // 64 KiB

const PART_WITH_FILE = /content-disposition:[^\r\n]*filename\*?=[\s\S]*?\r\n\r\n/i;

/**
 * Looks at the beginning of a multipart body while somebody else reads it, and tells whether the
 * file's part has a content type. The multipart parser fills in one of its own when there is none.
 */
export function watchPartType(body: Readable): () => boolean {
  let head = '';
  let typed = true;
  const look = (chunk: Buffer) => {
    head += chunk.toString('latin1');
    const part = partHead(head);
    if (part !== undefined) typed = /\r\ncontent-type:[ \t]*[^\s]/i.test(`\r\n${part}`);
    if (part !== undefined || head.length > SEARCHED_BYTES) {
      body.off('data', look);
      head = '';
    }
  };
  body.on('data', look);
  return () => typed;
}

/** The header lines of the part with a file name, or undefined while they are not complete. */
function partHead(text: string): string | undefined {
  const found = PART_WITH_FILE.exec(text);
  if (found === null) return undefined;
  // Lines before the disposition belong to the same part back to its boundary.
  const start = text.lastIndexOf('--', found.index);
  return text.slice(Math.max(0, start), found.index) + found[0];
}
