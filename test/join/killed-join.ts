import { joinShard } from '../../src/join/join-shard.ts';
import { AT, NAME } from './constants.ts';

// A process to be killed: joins the shard of the directory it is given.
const directory = process.argv[2] ?? '';
process.stdout.write('.');
await joinShard({
  directory,
  name: NAME,
  batch: 'batch_1',
  answers: { output: `${directory}/downloads/output.jsonl`, error: null },
  maxAttempts: 3,
  at: AT,
});
