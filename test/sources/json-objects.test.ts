import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonObjects } from '../../src/sources/json-objects.ts';
import { assigned, objectMaker } from '../../src/sources/object-maker.ts';

/** Reads the lines as the parser does: known shapes at once, the others by JSON.parse. */
function readAll(lines: readonly string[]) {
  const objects = new JsonObjects();
  let taken = 0;
  const read = lines.map((line) => {
    // Bytes around the line that no reader may look at.
    const around = Buffer.from(`"\\${line}\\""}`);
    around.copy(objects.input);
    const data = objects.input.subarray(0, around.length);
    const end = data.length - 4;
    const known = objects.read(data, 2, end);
    if (known !== null && objects.end === end) {
      taken++;
      return known;
    }
    const value = plainly(line);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      objects.learn(data, 2, end, value);
    }
    return value;
  });
  return { read, taken };
}

function plainly(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return 'not JSON';
  }
}

const text = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 100 }),
  fc.string({
    unit: fc.constantFrom('"', '\\', '\n', '\u0001', 'a', 'ж', '€', '🙂'),
    maxLength: 90,
  }),
);
const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.integer({ min: -9999, max: 9999 }).map((n) => n / 100),
);
const value = fc.oneof(
  text,
  number,
  fc.boolean(),
  fc.constant(null),
  fc.jsonValue({ maxDepth: 2 }),
);

/** Characters of the JSON as it could also be written. */
function escapedSomehow(json: string, every: number): string {
  return json.replace(/[^\\"{}[\]:,\d\s.+-]/gu, (char, at: number) =>
    at % every === 0 && (at === 0 || json[at - 1] !== '\\')
      ? [...char]
          .flatMap((one) => one.split(''))
          .map(asEscape)
          .join('')
      : char,
  );
}

function asEscape(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

describe('objects of a known shape', () => {
  it('are what JSON.parse makes of them', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(text, { minLength: 1, maxLength: 5 }),
        fc.array(fc.array(value, { minLength: 5, maxLength: 5 }), { minLength: 2, maxLength: 6 }),
        fc.constantFrom(0, 1),
        (keys, rows, indent) => {
          const lines = rows.map((row) =>
            JSON.stringify(Object.fromEntries(keys.map((key, i) => [key, row[i]])), null, indent),
          );
          expect(readAll(lines).read).toEqual(lines.map(plainly));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('are what JSON.parse makes of them, however their texts are escaped', () => {
    fc.assert(
      fc.property(
        fc.array(text, { maxLength: 6 }),
        fc.integer({ min: 1, max: 5 }),
        (texts, every) => {
          const lines = ['{"k":"x","n":1}'];
          for (const one of texts) {
            lines.push(`{"k":${escapedSomehow(JSON.stringify(one), every)},"n":1}`);
          }
          expect(readAll(lines).read).toEqual(lines.map(plainly));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('are left to JSON.parse where a byte of them is wrong', () => {
    const line =
      '{"id": "a\\n\\u00e9\\ud83d\\ude42", "n": -12.50, "ok": true, "no": null, "deep": {"a": [1]}}';
    for (let at = 0; at < line.length; at++) {
      for (const char of [
        '"',
        '\\',
        ',',
        '}',
        ' ',
        '\t',
        '0',
        '-',
        '.',
        'e',
        'u',
        'x',
        '\u0001',
        '',
      ]) {
        const wrong = line.slice(0, at) + char + line.slice(at + 1);
        expect(readAll([line, wrong, line]).read).toEqual([line, wrong, line].map(plainly));
      }
    }
  });

  it('are what JSON.parse makes of them, whatever stands where in blocks of 16 bytes', () => {
    const things = [
      '\\n',
      '\\u00e9',
      '\\ud83d\\ude42',
      '\\ud83d',
      '\\u12',
      'é',
      '€',
      '🙂',
      '\u0001',
      '"',
    ];
    const lines = ['{"a":"","b":""}'];
    for (let before = 0; before <= 66; before++) {
      for (const thing of things) {
        const text = 'x'.repeat(before) + thing + 'y'.repeat(before % 19);
        lines.push(`{"a":"${text}","b":"${thing}"}`, `{"a":"z","b":"${text}${text}"}`);
      }
    }
    expect(readAll(lines).read).toEqual(lines.map(plainly));
  });

  it('are as long as they may be, or JSON.parse reads them', () => {
    const lines = [10, 262_100, 262_144, 300_000, 10].map(
      (bytes) => `{"a":"${'x'.repeat(bytes)}","b":[${'"]",'.repeat(bytes / 4)}0]}`,
    );
    expect(readAll(['{"a":"","b":0}', ...lines]).read.slice(1)).toEqual(lines.map(plainly));
  });

  it.each([
    '0',
    '-0',
    '1',
    '-1',
    '007',
    '-',
    '.5',
    '1.',
    '0.1',
    '1e3',
    '1E-3',
    '123456789012345',
    '1234567890123456',
    '9007199254740993',
    '0.000001',
    '123456.789012345',
    '1.7976931348623157e308',
    '4.35',
    '0.30000000000000004',
    '1.5e',
    '--1',
    '1-1',
    '1.1.1',
  ])('read the number %s as JSON.parse does', (number) => {
    const lines = ['{"n":1,"z":2}', `{"n":${number},"z":2}`, `{"n":2,"z":${number}}`];
    const { read } = readAll(lines);
    expect(read).toEqual(lines.map(plainly));
    expect(read.map((one) => Object.is((one as { n: number }).n, -0))).toEqual(
      lines.map(plainly).map((one) => Object.is((one as { n: number }).n, -0)),
    );
  });

  it('keep names that objects have of themselves, and the last of a name that comes twice', () => {
    const lines = [
      '{"__proto__":1,"constructor":2}',
      '{"__proto__":[3],"constructor":4}',
      '{"a":1,"a":2}',
      '{"a":1,"a":2}',
      '{"2":1,"1":2}',
      '{"2":1,"1":2}',
    ];
    const { read } = readAll(lines);
    expect(read).toEqual(lines.map(plainly));
    expect(read.map((one) => JSON.stringify(one))).toEqual(
      lines.map((line) => JSON.stringify(plainly(line))),
    );
  });

  it('are taken without JSON.parse, and again after others', () => {
    const same = Array.from({ length: 50 }, (_, i) => `{"id":"${i}","text":"a\\n\\"b\\""}`);
    expect(readAll(same).taken).toBe(49);
    const mixed = Array.from({ length: 5000 }, (_, i) => `{"a${i % 7}":${i}}`);
    expect(
      readAll([...mixed, ...same, ...same, ...same, ...same, ...same, ...same]).taken,
    ).toBeGreaterThan(40);
  });
});

describe('objectMaker', () => {
  it.each([
    '__proto__',
    '"]: 1}',
    "'",
    '`',
    '\\',
    '\n',
    '\u2028',
    '\ud800',
    '',
    '0',
    'constructor',
    '*/',
  ])('takes %j as a name and nothing else', (name) => {
    const values = ['one', 'two'];
    const made = objectMaker<string>([name, 'other'])(values);
    const plain = assigned([name, 'other'], values);
    expect(Object.getPrototypeOf(made)).toBe(Object.prototype);
    expect(Object.entries(made)).toEqual(Object.entries(plain));
    expect(Object.getOwnPropertyDescriptor(made, name)).toEqual({
      value: 'one',
      writable: true,
      enumerable: true,
      configurable: true,
    });
    expect(Object.getOwnPropertyDescriptors(made)).toEqual(Object.getOwnPropertyDescriptors(plain));
  });

  it('does without where Node may not make code of strings', () => {
    const module = new URL('../../src/sources/object-maker.ts', import.meta.url);
    const code = `import { objectMaker } from ${JSON.stringify(module.href)};
      try { new Function(''); } catch (error) {
        console.log(error.name, JSON.stringify(objectMaker(['a', '__proto__'])([1, 2])));
      }`;
    const flags = ['--disallow-code-generation-from-strings', '--input-type=module'];
    const { stdout } = spawnSync(process.execPath, [...flags, '-e', code], { encoding: 'utf8' });
    expect(stdout).toBe('EvalError {"a":1,"__proto__":2}\n');
  });

  it('makes wide objects too', () => {
    const names = Array.from({ length: 1000 }, (_, i) => `c${i}`);
    expect(Object.keys(objectMaker(names)(names))).toEqual(names);
  });
});
