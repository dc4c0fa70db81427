import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../src/core/clock.ts';
import { instanceOf } from '../../src/emulator/answers/instances.ts';
import { textMatching } from '../../src/emulator/answers/patterns.ts';

const EVENT = {
  type: 'object',
  properties: {
    name: { type: 'string' },
    date: { type: 'string', format: 'date' },
    participants: { type: 'array', items: { type: 'string' }, minItems: 2 },
    kind: { enum: ['fair', 'talk'] },
    place: { $ref: '#/$defs/place' },
    score: { type: ['number', 'null'], minimum: 1, exclusiveMaximum: 5 },
    tags: { type: 'array', items: { enum: ['a', 'b', 'c'] }, uniqueItems: true, minItems: 3 },
    either: { anyOf: [{ type: 'integer', multipleOf: 5 }, { type: 'boolean' }] },
    code: { type: 'string', pattern: '^[A-Z]{2}-\\d{3}(?:x|yz)?$' },
    fixed: { const: 'always' },
    both: {
      allOf: [
        { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] },
        { type: 'object', properties: { b: { type: 'integer' } }, required: ['b'] },
      ],
    },
  },
  required: ['name', 'date', 'participants', 'kind', 'place', 'tags', 'either', 'code', 'both'],
  additionalProperties: false,
  $defs: {
    place: {
      type: 'object',
      properties: { city: { type: 'string', minLength: 20 }, near: { $ref: '#/$defs/places' } },
      required: ['city', 'near'],
      additionalProperties: false,
    },
    places: { type: 'array', items: { $ref: '#/$defs/place' } },
  },
};

const ajv = new Ajv2020({ strict: false, validateFormats: false });

/** Schemas of which each has a keyword of its own to get wrong. */
const SCHEMAS: Readonly<Record<string, object>> = {
  'no items beyond the prefix': {
    type: 'array',
    prefixItems: [{ type: 'string' }],
    items: false,
  },
  'at most one property': {
    type: 'object',
    properties: { a: { type: 'string' }, b: { type: 'string' } },
    maxProperties: 1,
  },
  'names by a pattern': {
    type: 'object',
    patternProperties: { '^x_[a-z]$': { type: 'integer' } },
    additionalProperties: false,
    minProperties: 2,
  },
  'names that are checked': {
    type: 'object',
    propertyNames: { pattern: '^[a-z]{3}$' },
    additionalProperties: { type: 'integer' },
    minProperties: 2,
  },
  'one property needs another': {
    type: 'object',
    properties: { a: { type: 'string' }, b: { type: 'string' } },
    dependentRequired: { a: ['b'] },
  },
  'two enums': { allOf: [{ enum: ['a', 'b', 'c'] }, { enum: ['b', 'c', 'd'] }] },
  'bounds from two places': {
    allOf: [
      { type: 'integer', minimum: 4 },
      { minimum: 3, maximum: 5 },
    ],
  },
  'a pattern with a length': { type: 'string', pattern: '^(foo|bar)+$', minLength: 6 },
  'names of every object': {
    type: 'object',
    properties: { constructor: { type: 'string' }, toString: { type: 'integer' } },
    required: ['constructor', 'toString'],
    additionalProperties: false,
  },
  'expressions of expressions': {
    $defs: {
      term: {
        anyOf: [
          {
            type: 'object',
            properties: {
              op: { const: 'add' },
              left: { $ref: '#/$defs/term' },
              right: { $ref: '#/$defs/term' },
            },
            required: ['op', 'left', 'right'],
            additionalProperties: false,
          },
          {
            type: 'object',
            properties: { op: { const: 'number' }, value: { type: 'number' } },
            required: ['op', 'value'],
            additionalProperties: false,
          },
        ],
      },
    },
    $ref: '#/$defs/term',
  },
};

describe('instances of schemas', () => {
  test.each(Object.entries(SCHEMAS))('%s', (_name, schema) => {
    const validate = ajv.compile(schema);
    for (let seed = 0; seed < 100; seed += 1) {
      const instance = JSON.parse(JSON.stringify(instanceOf(schema, seededRandom(seed))));
      expect(validate(instance), JSON.stringify(instance)).toBe(true);
    }
  });

  test('a schema that asks for a billion gets many', () => {
    const schema = { type: 'array', items: { type: 'null' }, minItems: 1e9 };
    expect(instanceOf(schema, seededRandom(1))).toHaveLength(10_000);
  });

  test('every draw satisfies the schema', () => {
    const validate = ajv.compile(EVENT);
    for (let seed = 0; seed < 200; seed += 1) {
      const made = instanceOf(EVENT, seededRandom(seed));
      expect(validate(made), JSON.stringify([made, validate.errors])).toBe(true);
    }
  });

  test('a schema that refers to itself comes to an end', () => {
    const tree = {
      type: 'object',
      properties: {
        left: { anyOf: [{ $ref: '#' }, { type: 'null' }] },
        right: { anyOf: [{ $ref: '#' }, { type: 'null' }] },
      },
      required: ['left', 'right'],
      additionalProperties: false,
    };
    const validate = ajv.compile(tree);
    for (let seed = 0; seed < 50; seed += 1) {
      expect(validate(instanceOf(tree, seededRandom(seed)))).toBe(true);
    }
  });

  test('any schema of the usual kinds is satisfied', () => {
    const leaf = fc.oneof(
      fc.constant({ type: 'boolean' }),
      fc.constant({ type: 'null' }),
      fc.record({ type: fc.constant('string'), maxLength: fc.nat(30) }),
      fc.record({ type: fc.constant('string'), minLength: fc.nat(60) }),
      fc.record({ type: fc.constant('integer'), minimum: fc.integer({ min: -9, max: 9 }) }),
      fc.record({ type: fc.constant('number'), maximum: fc.integer({ min: -9, max: 9 }) }),
      fc.record({ enum: fc.array(fc.string(), { minLength: 1, maxLength: 4 }) }),
    );
    const { schema } = fc.letrec((tie) => ({
      schema: fc.oneof({ maxDepth: 4 }, leaf, tie('list'), tie('object')),
      list: fc.record({
        type: fc.constant('array'),
        items: tie('schema'),
        minItems: fc.nat(3),
      }),
      object: fc
        .dictionary(fc.constantFrom('a', 'b', 'c', 'd e'), tie('schema'), { maxKeys: 4 })
        .map((properties) => ({
          type: 'object',
          properties,
          required: Object.keys(properties).slice(0, 2),
          additionalProperties: false,
        })),
    }));
    fc.assert(
      fc.property(schema, fc.nat(), (drawn, seed) => {
        const validate = ajv.compile(drawn as object);
        return validate(instanceOf(drawn, seededRandom(seed)));
      }),
      { numRuns: 150 },
    );
  });
});

describe('texts of patterns', () => {
  test.each([
    '^\\d{4}-\\d{2}$',
    'a|b|cd',
    '^(foo|ba[rz])+$',
    '^[a-c_-]{3,5}\\.\\w*$',
    '^x?y*z+$',
    '^(ab{2}){2}$',
    '^[^a-z\\s]+$',
    '^\\S+@\\S+\\.\\D{2}$',
    '^(?<year>\\d{4})-\\p{L}+$',
  ])('%s', (pattern) => {
    for (let seed = 0; seed < 40; seed += 1) {
      expect(textMatching(pattern, seededRandom(seed))).toMatch(new RegExp(pattern, 'u'));
    }
  });

  test.each(['^(?=x)x$', '(', '(a)\\1'])('%s is beyond it, and it says so', (pattern) => {
    expect(textMatching(pattern, seededRandom(1))).toBeUndefined();
  });
});
