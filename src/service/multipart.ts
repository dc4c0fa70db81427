import { randomBytes } from 'node:crypto';
import { MillraceError } from '../core/errors.ts';
import type { Upload } from '../core/service.ts';
import type { StreamedBody } from './body.ts';

/**
 * The form of an upload, written by hand: its length is known beforehand, and the file goes through
 * as it is, block by block. `extra` are further fields. `open` of the body throws `upload_length` when the file is not as long
 * as it said; the service then sees a cut request, never a wrong file.
 */
export function multipart(
  upload: Upload,
  extra: Readonly<Record<string, string>> | null = null,
): StreamedBody {
  const boundary = `millrace-${randomBytes(18).toString('hex')}`;
  const fields = Object.entries({ purpose: 'batch', ...extra }).map(
    ([name, value]) =>
      `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  );
  const head = Buffer.from(
    fields.join('') +
      `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${quoted(upload.name)}"\r\n` +
      'Content-Type: application/json\r\n\r\n',
  );
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    length: head.length + upload.bytes + tail.length,
    // What is still in buffers has to go out, and the service stores the file before it answers.
    answerFactor: 5,
    async *open() {
      yield head;
      let sent = 0;
      for await (const chunk of upload.open({ shared: true })) {
        sent += chunk.length;
        if (sent > upload.bytes) throw wrongLength(upload, `more than ${upload.bytes}`);
        yield chunk;
      }
      if (sent !== upload.bytes) throw wrongLength(upload, String(sent));
      yield tail;
    },
  };
}

/** A file that is not as long as it was announced. */
export function wrongLength(upload: Upload, found: string): MillraceError {
  return new MillraceError(
    'upload_length',
    `${upload.name} was announced with ${upload.bytes} bytes and gave ${found}: the file was changed ` +
      'while it was being sent',
  );
}

/** As browsers do it; the name is our own, so this only guards the form. */
function quoted(name: string): string {
  return name.replace(/["\r\n]/g, (char) => encodeURIComponent(char));
}
