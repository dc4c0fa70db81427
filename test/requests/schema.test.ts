import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { UsageError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/requests/json.ts';
import { compileJsonSchema } from '../../src/requests/json-schema.ts';
import { schemaDoubts, schemaParameter } from '../../src/requests/schema.ts';
import { plainSchema } from '../../src/requests/standard-schema.ts';

const chat = '/chat/completions';

function object(properties: Record<string, unknown>, more: object = {}): JsonObject {
  const required = Object.keys(properties);
  return {
    type: 'object',
    properties,
    required,
    additionalProperties: false,
    ...more,
  } as JsonObject;
}

const text = { type: 'string' };

/** An object in an object, so many levels deep. */
function nested(levels: number): JsonObject {
  return levels === 1 ? object({ leaf: text }) : object({ inner: nested(levels - 1) });
}

const values = (count: number, length: number) =>
  Array.from({ length: count }, (_, i) => String(i).padStart(length, 'x'));

describe('strict mode takes', () => {
  test.each<[string, JsonObject]>([
    ['every type', object({ a: text, b: { type: 'number', minimum: 0 }, c: { type: 'null' } })],
    ['optional values as null', object({ a: { type: ['string', 'null'] } })],
    [
      'arrays of objects',
      object({ a: { type: 'array', items: object({ b: text }), maxItems: 3 } }),
    ],
    ['branches', object({ a: { anyOf: [text, object({ b: { const: 'x' } })] } })],
    [
      'definitions, and references to them and to itself',
      object(
        { a: { $ref: '#/$defs/a~1b' }, next: { anyOf: [{ $ref: '#' }, { type: 'null' }] } },
        { $defs: { 'a/b': text } },
      ),
    ],
    ['ten levels', nested(10)],
    ['a property that is called like a keyword', object({ not: text, default: text, enum: text })],
    ['250 long enum values', object({ a: { enum: values(250, 100) } })],
  ])('%s', (_, schema) => {
    expect(schemaParameter(chat, schema)).toMatchObject({
      response_format: { json_schema: { name: 'answer', strict: true, schema } },
    });
  });
});

describe('strict mode refuses, with the path', () => {
  test.each<[string, unknown, string]>([
    ['no object', text, 'at its root'],
    ['branches at the root', { ...object({}), anyOf: [object({})] }, 'at its root'],
    ['an open object', { type: 'object', properties: {} }, '# needs "additionalProperties": false'],
    [
      'a closed one that is open inside',
      object({ a: { type: 'array', items: { type: 'object', properties: {} } } }),
      '#/properties/a/items needs',
    ],
    ['an optional property', { ...object({ a: text }), required: [] }, '# must list "a"'],
    ['an unknown required', { ...object({}), required: ['b'] }, '#/required names "b"'],
    ['no type', object({ a: { description: 'x' } }), '#/properties/a must say'],
    ['true as a schema', object({ a: true }), '#/properties/a must be an object'],
    ['an array of anything', object({ a: { type: 'array' } }), '#/properties/a is an array'],
    ['oneOf', object({ a: { oneOf: [text] } }), '#/properties/a/oneOf is a keyword'],
    ['allOf in a branch', object({ a: { anyOf: [{ allOf: [text] }] } }), '/a/anyOf/0/allOf'],
    ['default', object({ a: { type: 'string', default: 'x' } }), '#/properties/a/default'],
    ['a bad definition', object({}, { $defs: { x: { not: text } } }), '#/$defs/x/not'],
    ['a name with a slash', object({ 'a/b': {} }), '#/properties/a~1b must say'],
    ['a reference to nothing', object({ a: { $ref: '#/$defs/x' } }), '#/properties/a/$ref points'],
    ['a reference outwards', object({ a: { $ref: 'other.json' } }), 'must point into'],
    ['an empty enum', object({ a: { enum: [] } }), '#/properties/a/enum must be'],
    ['eleven levels', nested(11), `#${'/properties/inner'.repeat(10)} lies deeper`],
    ['1001 values', object({ a: { enum: values(501, 4) }, b: { enum: values(500, 4) } }), '1001'],
    ['251 long values', object({ a: { enum: values(251, 100) } }), '25100 characters'],
    ['5001 properties', object(Object.fromEntries(values(5001, 4).map((n) => [n, text]))), '5001'],
    ['long names', object({ ['x'.repeat(120_001)]: text }), '120001 characters'],
  ])('%s', (_, schema, path) => {
    expect(() => schemaParameter(chat, schema as JsonObject)).toThrow(UsageError);
    expect(() => schemaParameter(chat, schema as JsonObject)).toThrow(path);
  });
});

test('any JSON is taken or refused in words', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), fc.boolean(), (value, wrapped) => {
      const schema = wrapped ? object({ a: value }, { $defs: { b: value } }) : value;
      try {
        schemaParameter(chat, schema as JsonObject);
      } catch (error) {
        expect(error).toBeInstanceOf(UsageError);
      }
    }),
  );
});

test('what is above the numbers of Azure is told', () => {
  expect(schemaDoubts(nested(5))).toEqual([]);
  expect(schemaDoubts(nested(6))).toEqual([
    "the schema has 6 levels of objects; Azure's guide says that it takes 5",
  ]);
  const wide = object(Object.fromEntries(values(101, 4).map((name) => [name, text])));
  expect(schemaDoubts(wide)).toHaveLength(1);
  expect(schemaDoubts({ name: 'x', strict: false, schema: { type: 'object' } })).toEqual([]);
});

test('a format of the service is taken as it is; one that is not strict need not be', () => {
  const open = { type: 'object', properties: { a: text } };
  const format = { name: 'mood', strict: false, schema: open };
  const sent = { response_format: { type: 'json_schema', json_schema: format } };
  expect(schemaParameter(chat, format)).toEqual(sent);
  expect(schemaParameter(chat, sent.response_format as JsonObject)).toEqual(sent);
  expect(schemaParameter('/responses', { type: 'json_schema', ...format })).toEqual({
    text: { format: { type: 'json_schema', ...format } },
  });
  expect(() => schemaParameter(chat, { ...format, schema: { type: 'strange' } })).toThrow(
    'not a JSON Schema',
  );
  expect(() => schemaParameter('/embeddings', object({}))).toThrow(UsageError);
});

test('a compiled schema says where a value does not follow it, without the value', () => {
  const check = compileJsonSchema(object({ a: { type: 'array', items: text } }));
  expect(check({ a: ['x'] })).toBeNull();
  expect(check({ a: ['x', 7] })).toBe('/a/1 must be string');
  expect(check({})).toBe("the whole must have required property 'a'");
  const old = { $schema: 'http://json-schema.org/draft-07/schema#', items: [text, text] };
  expect(compileJsonSchema(old)(['x', 7])).toBe('/1 must be string');
});

describe('a Standard Schema', () => {
  test('is sent as the JSON Schema of what it takes, closed', () => {
    const schema = plainSchema(
      z.object({
        label: z.enum(['good', 'bad']).nullable(),
        stars: z.int(),
        when: z.array(z.object({ day: z.string() })),
      }),
    );
    expect(schemaParameter(chat, schema as JsonObject)).toMatchObject({
      response_format: {
        json_schema: {
          schema: object({
            label: { anyOf: [{ type: 'string', enum: ['good', 'bad'] }, { type: 'null' }] },
            stars: { type: 'integer' },
            when: { type: 'array', items: object({ day: text }) },
          }),
        },
      },
    });
  });

  test('is refused like any other, and when it tells no JSON Schema', () => {
    const optional = plainSchema(z.object({ a: z.string().optional() })) as JsonObject;
    expect(() => schemaParameter(chat, optional)).toThrow('must list "a"');
    expect(() => plainSchema(z.object({ a: z.bigint() }))).toThrow('no JSON Schema form');
    const silent = {
      '~standard': { version: 1, vendor: 'quiet', validate: (value: unknown) => ({ value }) },
    } as const;
    expect(() => plainSchema(silent)).toThrow('of quiet does not tell');
  });
});
