// Puts the kept results into bench/RESULTS.md, each between its own two marks.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readResult } from './lib/harness.ts';
import { type TableInput, tableText } from './lib/table.ts';

const path = join(import.meta.dirname, 'RESULTS.md');

const text = readFileSync(path, 'utf8').replaceAll(
  /(<!-- table (?<name>[\w-]+) -->\n)[\s\S]*?(<!-- end -->)/g,
  (whole, open: string, name: string, close: string) => {
    const result = readResult<TableInput & { outcomes?: unknown }>(name);
    return result?.outcomes === undefined ? whole : `${open}\n${tableText(result)}\n${close}`;
  },
);
writeFileSync(path, text);
