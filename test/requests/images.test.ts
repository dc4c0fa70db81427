import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { UsageError } from '../../src/core/errors.ts';
import { SourceRecord } from '../../src/core/record.ts';
import { createRequestBuilder } from '../../src/requests/builder.ts';
import type { RequestTemplate } from '../../src/requests/definition.ts';
import { builderOf } from '../../src/requests/function-builder.ts';
import { MODEL, prepared, refused } from './helpers.ts';
import { dataUrl, gif, JPEG, png, WEBP } from './images.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-images-'));
afterAll(() => rmSync(folder, { recursive: true }));
const PNG = png(64, 32);
writeFileSync(join(folder, 'a.png'), PNG);
writeFileSync(join(folder, 'wrong-name.png'), JPEG);
writeFileSync(join(folder, '[1].gif'), gif(5, 5));
writeFileSync(join(folder, 'c.webp'), WEBP);
writeFileSync(join(folder, 'text.png'), 'no image, but words');
writeFileSync(join(folder, 'empty.png'), '');
writeFileSync(join(folder, 'huge.png'), PNG);
truncateSync(join(folder, 'huge.png'), 20_000_001);
mkdirSync(join(folder, 'folder.png'));
symlinkSync(join(folder, 'a.png'), join(folder, 'link.png'));
symlinkSync(join(folder, 'folder.png'), join(folder, 'link-to-folder.png'));
execFileSync('mkfifo', [join(folder, 'pipe.png')]);

const URL_PNG = dataUrl(PNG);
const WEB = 'https://example.com/a.png?size=1';

function build(record: object, more: Partial<RequestTemplate> = {}, source = 'data.csv') {
  const definition = {
    kind: 'prompt',
    model: MODEL,
    prompt: 'Look.',
    imageField: 'photo',
    ...more,
  };
  const item = new SourceRecord(record, { source: join(folder, source), row: 1, byte: 0 });
  return createRequestBuilder(definition as RequestTemplate).build(item);
}

const text = { type: 'text', text: 'Look.' };
const part = (url: string, more: object = {}) => ({
  type: 'image_url',
  image_url: { url, ...more },
});

/** The parts of the only message, or its text. */
function contentOf(photo: unknown, more: Partial<RequestTemplate> = {}) {
  const { messages } = prepared(build({ photo }, more)).body;
  return (messages as { content: unknown }[])[0]?.content;
}

describe('images of a prompt', () => {
  test.each<[string, unknown, string[]]>([
    ['a URL', WEB, [WEB]],
    ['a data URL', URL_PNG, [URL_PNG]],
    ['a file beside the source', 'a.png', [URL_PNG]],
    ['a file by its whole path', join(folder, 'a.png'), [URL_PNG]],
    ['a file by a file: URL', pathToFileURL(join(folder, 'a.png')).href, [URL_PNG]],
    ['a file through a link', './link.png', [URL_PNG]],
    ['a JPEG, whatever it is called', 'wrong-name.png', [dataUrl(JPEG, 'jpeg')]],
    ['a WebP', 'c.webp', [dataUrl(WEBP, 'webp')]],
    ['a GIF whose name begins like a list', '[1].gif', [dataUrl(gif(5, 5), 'gif')]],
    ['a list', ['a.png', WEB], [URL_PNG, WEB]],
    ['a list as a CSV has it', '["a.png", "c.webp"]', [URL_PNG, dataUrl(WEBP, 'webp')]],
  ])('%s', (_, photo, urls) => {
    expect(contentOf(photo)).toEqual([text, ...urls.map((url) => part(url))]);
  });

  test.each([[''], [null], [[]], ['[]']])(
    '%j is no image, and the prompt stays a text',
    (photo) => {
      expect(contentOf(photo)).toBe('Look.');
    },
  );

  test('several fields, empty ones left out, with a detail, in their order', () => {
    const more = { imageField: ['front', 'side', 'back'], imageDetail: 'low' } as const;
    const record = { front: WEB, side: '', back: 'a.png' };
    expect(prepared(build(record, more)).body.messages).toEqual([
      {
        role: 'user',
        content: [text, part(WEB, { detail: 'low' }), part(URL_PNG, { detail: 'low' })],
      },
    ]);
    const responses = { ...more, endpoint: '/responses', system: 'S' } as const;
    expect(prepared(build(record, responses)).body).toEqual({
      model: MODEL,
      instructions: 'S',
      input: [
        {
          role: 'user',
          content: [
            { type: 'input_text', text: 'Look.' },
            { type: 'input_image', image_url: WEB, detail: 'low' },
            { type: 'input_image', image_url: URL_PNG, detail: 'low' },
          ],
        },
      ],
    });
  });

  test('a path counts from the working directory where the source is no file', () => {
    const item = new SourceRecord({ photo: 'README.md' }, { source: '<stdin>', row: 1, byte: 0 });
    const definition = { kind: 'prompt', model: MODEL, prompt: 'x', imageField: 'photo' } as const;
    expect(refused(createRequestBuilder(definition).build(item)).error.code).toBe('invalid_image');
  });
});

describe('a record is rejected', () => {
  test.each<[string, unknown, string, string]>([
    ['a missing file', 'none.png', 'image_not_found', 'does not exist'],
    ['a file below a file', 'a.png/b.png', 'image_not_found', 'does not exist'],
    ['a folder', 'folder.png', 'invalid_image', 'no regular file'],
    ['a link to a folder', 'link-to-folder.png', 'invalid_image', 'no regular file'],
    ['a pipe', 'pipe.png', 'invalid_image', 'no regular file'],
    ['a device', '/dev/zero', 'invalid_image', 'no regular file'],
    ['words', 'text.png', 'invalid_image', 'no PNG, JPEG, GIF or WebP'],
    ['an empty file', 'empty.png', 'invalid_image', 'no PNG'],
    ['a huge file', 'huge.png', 'image_too_large', '20000001 bytes'],
    ['one bad of two', ['a.png', 'none.png'], 'image_not_found', 'does not exist'],
    ['a number', 7, 'invalid_image', 'must hold'],
    ['a list of numbers', '[7]', 'invalid_image', 'must hold'],
    ['another scheme', 's3://bucket/a.png', 'invalid_image', 's3:'],
    ['no URL', 'https://', 'invalid_image', 'is no URL'],
    ['a foreign file: URL', 'file://host/a.png', 'invalid_image', 'no local file'],
    ['a data URL of a text', 'data:text/plain;base64,AAAA', 'invalid_image', 'no PNG'],
    ['a data URL that lies', dataUrl(Buffer.from('not a picture')), 'invalid_image', 'no PNG'],
    ['a path with a zero byte', 'a\0.png', 'image_unreadable', 'cannot be read'],
    ['very many', Array(1501).fill(WEB), 'too_many_images', '1500'],
  ])('for %s', (_, photo, code, words) => {
    const { error } = refused(build({ photo }));
    expect(error.code).toBe(code);
    expect(error.message).toContain(`${join(folder, 'data.csv')}, row 1`);
    expect(error.message).toContain('the field photo');
    expect(error.message).toContain(words);
  });

  test('for a field that it does not have', () => {
    expect(refused(build({})).error).toMatchObject({ code: 'missing_field' });
  });
});

describe('images of a body', () => {
  const body = { messages: [{ role: 'user', content: [part('{{photo}}', { detail: 'high' })] }] };

  test('stand where the body names their field', () => {
    const definition = { kind: 'body', body, prompt: undefined } as Partial<RequestTemplate>;
    expect(contentOf('a.png', definition)).toEqual([part(URL_PNG, { detail: 'high' })]);
    expect(refused(build({ photo: '' }, definition)).error.message).toContain('names 0 images');
    expect(refused(build({ photo: ['a.png', WEB] }, definition)).error.code).toBe('invalid_image');
  });

  test.each([
    [
      { kind: 'body', model: MODEL, body, imageField: 'other' },
      'no place for the image field other',
    ],
    [{ kind: 'prompt', model: MODEL, prompt: 'x', imageDetail: 'low' }, 'no field with an image'],
    [
      { kind: 'prompt', model: MODEL, prompt: 'x', imageField: 'p', endpoint: '/embeddings' },
      'takes one text',
    ],
  ])('an impossible wish is told at once: %#', (definition, words) => {
    expect(() => createRequestBuilder(definition as RequestTemplate)).toThrow(UsageError);
    expect(() => createRequestBuilder(definition as RequestTemplate)).toThrow(words);
  });

  test('a function reads its own', () => {
    const options = { model: MODEL, body: () => ({}), imageField: 'photo' };
    expect(() => builderOf(options)).toThrow('a function reads its own');
  });
});
