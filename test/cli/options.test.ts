import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { exitCodeOf } from '../../src/cli/exit.ts';
import { requestDefinition } from '../../src/cli/options/request.ts';
import { checkServiceFlags } from '../../src/cli/options/service.ts';
import { programName } from '../../src/cli/program-name.ts';
import { checkResource, wishOf } from '../../src/cli/service.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-options-'));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe('the request', () => {
  test('is a prompt with parameters', () => {
    const definition = requestDefinition(
      {
        model: 'm',
        prompt: 'Label: {{text}}',
        system: `@${file('system.txt', 'Be short.\n')}`,
        param: ['temperature=0', 'stop=["a"]', 'user=team a=b'],
        idField: 'id',
      },
      'csv',
    );
    expect(definition).toEqual({
      kind: 'prompt',
      model: 'm',
      prompt: 'Label: {{text}}',
      system: 'Be short.',
      parameters: { temperature: 0, stop: ['a'], user: 'team a=b' },
      idField: 'id',
    });
  });

  test('is a body whose own model counts, unless one is given', () => {
    const path = file('body.json', '{"model":"own","messages":[]}');
    const body = { messages: [] };
    expect(requestDefinition({ request: path }, undefined)).toEqual({
      kind: 'body',
      model: 'own',
      body,
    });
    expect(requestDefinition({ request: path, model: 'm' }, undefined)).toMatchObject({
      model: 'm',
    });
  });

  test('is a module by its URL', () => {
    const path = file('request.ts', 'export default () => ({});');
    expect(requestDefinition({ request: path, model: 'm' }, undefined)).toMatchObject({
      kind: 'module',
      url: expect.stringMatching(/^file:\/\/.*request\.ts$/),
    });
  });

  test('is the request file itself', () => {
    expect(requestDefinition({}, 'batch')).toEqual({ kind: 'batch' });
  });

  test.each([
    [{ prompt: 'x', request: 'b.json', model: 'm' }, undefined, '--prompt and --request'],
    [{ system: 'x', request: 'b.json', model: 'm' }, undefined, '--system and --request'],
    [{ system: 'x', model: 'm' }, undefined, '--system stands beside a --prompt'],
    [{ prompt: 'x' }, 'batch', '--format batch and --prompt'],
    [{ param: ['a=1'] }, 'batch', '--format batch and --param'],
    [{ idField: 'id' }, 'batch', '--format batch and --id-field'],
    [{ model: 'm' }, undefined, 'nothing is asked'],
    [{ prompt: 'x' }, undefined, '--model is missing'],
    [{ prompt: '@/nowhere', model: 'm' }, undefined, '--prompt @/nowhere: there is no such file'],
    [{ prompt: 'x', model: 'm', param: ['temperature'] }, undefined, 'is not KEY=VALUE'],
    [{ request: 'body.yaml', model: 'm' }, undefined, 'must be a .json template'],
  ])('%o as %s is refused', (flags, format, words) => {
    expect(() => requestDefinition(flags, format)).toThrow(words);
  });

  test('a template that is not JSON is told without its text', () => {
    const path = file('bad.json', '{"secret": ');
    expect(() => requestDefinition({ request: path, model: 'm' }, undefined)).toThrow(
      `--request ${path} is not JSON`,
    );
  });
});

describe('the service', () => {
  test('the local one has no use for credentials', () => {
    expect(() => checkServiceFlags({ service: 'local', auth: 'cli' })).toThrow(
      '--service local and --auth',
    );
  });

  test('flags win over what the job remembers, and another service is named anew', () => {
    const remembered = { service: 'local', out: '/a', maxAttempts: 2 } as const;
    expect(wishOf({ maxAttempts: 5 }, remembered)).toEqual({
      service: 'local',
      out: '/a',
      maxAttempts: 5,
    });
    expect(wishOf({ service: 'https://x.openai.azure.com' }, remembered).service).toBe(
      'https://x.openai.azure.com',
    );
  });

  test('a job goes on where its batches are', () => {
    const targets = [{ name: 'default', service: { resource: 'https://b/openai' } }] as never;
    const at = (resource: string, name = 'default', live = false) => [{ name, resource, live }];
    expect(() => checkResource(at('https://a/openai'), { targets })).toThrow('https://a/openai');
    expect(() => checkResource(at('local'), { targets })).toThrow('add --service local');
    expect(() => checkResource(at('https://b/openai'), { targets })).not.toThrow();
    expect(() => checkResource(at('https://a', 'east'), { targets })).not.toThrow();
    expect(() => checkResource(at('https://a', 'east', true), { targets })).toThrow('"east"');
    expect(() => checkResource([], { targets })).not.toThrow();
  });
});

test('exit codes', () => {
  const rows = { failed: 0, rejected: 0, pending: 0 };
  expect(exitCodeOf({ state: 'finished', ...rows })).toBe(0);
  expect(exitCodeOf({ state: 'finished', ...rows, rejected: 1 })).toBe(2);
  expect(exitCodeOf({ state: 'finished', ...rows, failed: 1 })).toBe(2);
  expect(exitCodeOf({ state: 'cancelled', ...rows, pending: 1 })).toBe(2);
  expect(exitCodeOf({ state: 'running', ...rows, pending: 1 })).toBe(0);
  expect(exitCodeOf({ state: 'paused', ...rows, pending: 1 })).toBe(1);
});

test('a printed command can be typed as it stands', () => {
  const under = process.env.npm_command;
  delete process.env.npm_command;
  try {
    expect(programName('/usr/local/bin/millrace', '/data')).toBe('millrace');
    expect(programName('/data/node_modules/.bin/millrace', '/data')).toBe('npx millrace');
    expect(programName('/data/dist/cli/bin.js', '/data')).toBe('node dist/cli/bin.js');
    expect(programName('/opt/m/dist/cli/bin.js', '/data')).toBe('node /opt/m/dist/cli/bin.js');
  } finally {
    if (under !== undefined) process.env.npm_command = under;
  }
});
