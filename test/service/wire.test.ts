import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { time, toBatch, toFile, toPage } from '../../src/service/wire.ts';

const ISO = Date.parse('2024-07-19T17:13:57.249Z');

/** The examples of the service's own guide, and what they must become. */
const REST = {
  cancelled_at: null,
  completed_at: null,
  created_at: '2024-07-19T17:13:57.2491382+00:00',
  error_file_id: null,
  expires_at: '2024-07-20T17:13:57.1918498+00:00',
  id: 'batch_fe3f047a',
  in_progress_at: null,
  input_file_id: 'file-2100',
  errors: null,
  metadata: null,
  output_file_id: null,
  request_counts: { total: null, completed: null, failed: null },
  status: 'Validating',
};
const FAILED = {
  id: 'batch_80f5',
  created_at: 1725419394,
  endpoint: '/chat/completions',
  input_file_id: 'file-c2d9',
  status: 'failed',
  completed_at: 1725419955,
  error_file_id: 'file-3b0f',
  errors: { object: 'list', data: [{ code: 'empty_file', message: 'The input file is empty.' }] },
  failed_at: null,
  output_file_id: 'file-ef12',
  request_counts: { total: 10, completed: null, failed: null },
};

describe('batches', () => {
  test('as the REST example writes them', () => {
    expect(toBatch(REST)).toEqual({
      id: 'batch_fe3f047a',
      status: 'validating',
      endpoint: null,
      inputFileId: 'file-2100',
      outputFileId: null,
      errorFileId: null,
      createdAt: ISO,
      endedAt: null,
      expiresAt: ISO - 58 + 86_400_000,
      errors: [],
      counts: { total: null, completed: null, failed: null },
      metadata: {},
    });
  });

  test('as the failed example writes them', () => {
    expect(toBatch(FAILED)).toMatchObject({
      status: 'failed',
      endedAt: 1725419955000,
      errors: [
        { code: 'empty_file', message: 'The input file is empty.', line: null, param: null },
      ],
      counts: { total: 10, completed: null, failed: null },
    });
  });

  test('empty ids are none', () => {
    const batch = toBatch({ ...REST, error_file_id: '', output_file_id: '' });
    expect(batch).toMatchObject({ errorFileId: null, outputFileId: null });
  });

  test.each([
    ['Validating', 'validating'],
    ['InProgress', 'in_progress'],
    ['in_progress', 'in_progress'],
    ['Completed', 'completed'],
    ['canceled', 'cancelled'],
    ['Cancelling', 'cancelling'],
    ['canceling', 'cancelling'],
    ['EXPIRED', 'expired'],
    ['somethingNew', 'in_progress'],
    [null, 'in_progress'],
  ])('status %s is %s', (written, status) => {
    expect(toBatch({ ...REST, status: written })?.status).toBe(status);
  });

  test('errors as a list, as one object, with a line as text', () => {
    const errors = (value: unknown) => toBatch({ ...REST, errors: value })?.errors;
    const entry = { code: 'c', message: 'm', line: '7', param: 'body' };
    const folded = { code: 'c', message: 'm', line: 7, param: 'body' };
    expect(errors({ data: [entry] })).toEqual([folded]);
    expect(errors({ data: entry })).toEqual([folded]);
    expect(errors([entry])).toEqual([folded]);
    expect(errors(entry)).toEqual([folded]);
    expect(errors({ data: [{ message: 'm', line: null }] })).toEqual([
      { code: 'unknown', message: 'm', line: null, param: null },
    ]);
    expect(errors({ object: 'list', data: [] })).toEqual([]);
    expect(errors({ data: null })).toEqual([]);
  });

  test('the end is that of the status, and only of one that is over', () => {
    const at = (fields: object) => toBatch({ ...REST, ...fields })?.endedAt;
    expect(at({ status: 'cancelled', cancelled_at: 5, completed_at: 9 })).toBe(5000);
    expect(at({ status: 'cancelling', cancelled_at: 5 })).toBeNull();
    expect(at({ status: 'expired', expired_at: 5.5 })).toBe(5500);
  });

  test('metadata that is no text is left out', () => {
    const metadata = {
      job: 'j',
      shard: 7,
      odd: { toString: '' },
      list: [{ toString: '' }],
      no: null,
    };
    expect(toBatch({ id: 'b', status: 'completed', metadata })?.metadata).toEqual({
      job: 'j',
      shard: '7',
    });
  });

  test('metadata holds strings, whatever it is called', () => {
    const metadata = JSON.parse('{"job":"j","n":1,"gone":null,"__proto__":"p"}');
    expect(Object.entries(toBatch({ ...REST, metadata })?.metadata ?? {})).toEqual([
      ['job', 'j'],
      ['n', '1'],
      ['__proto__', 'p'],
    ]);
  });
});

test('files: a null status is unknown, not ready', () => {
  expect(toFile({ id: 'f', status: null, bytes: null, filename: 'a' })).toMatchObject({
    status: null,
    bytes: null,
  });
  expect(toFile({ id: 'f', status: 'Processed' })?.status).toBe('processed');
  expect(toFile({ status: 'processed' })).toBeNull();
});

test('times', () => {
  expect(time(1722476583)).toBe(1722476583000);
  expect(time(1762445017.25)).toBe(1762445017250);
  expect(time('1722476583')).toBe(1722476583000);
  for (const none of [null, undefined, '', 'soon', 0, Number.NaN]) expect(time(none)).toBeNull();
});

test('lists', () => {
  expect(toPage({ value: [1], has_more: true })).toEqual({ items: [1], hasMore: true });
  expect(toPage({ data: [] })).toEqual({ items: [], hasMore: false });
  expect(toPage({ data: [], has_more: null })).toEqual({ items: [], hasMore: false });
  for (const none of [null, [], {}, { data: {} }, 'x']) expect(toPage(none)).toBeNull();
});

test('nothing that JSON can say throws', () => {
  const field = fc.constantFrom(...Object.keys(FAILED), 'metadata', 'bytes', 'filename', 'data');
  fc.assert(
    fc.property(fc.dictionary(field, fc.jsonValue()), (value) => {
      toBatch(value);
      toFile(value);
      toPage(value);
      toBatch({ ...FAILED, errors: value });
    }),
  );
});
