// Runs the contenders of one question in processes of their own, interleaved, and compares their
// answers before their times count.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { built, KEEP_COMPILED } from './build.ts';
import { DATA } from './data.ts';
import { printTable } from './table.ts';

/**
 * What a contender found: compared between contenders, key by key, where both have the key. Three keys
 * are what it measured itself instead: `seconds` where the start of its process is not part of the
 * question, `cpu` (in seconds) and `peakMiB` where the work was done by processes of its own.
 */
export type Answer = Readonly<Record<string, number | string>>;

export interface Contender {
  readonly name: string;
  /** Ours is what the ratios are to. */
  readonly ours?: boolean;
  /** No peer but what the machine can do at best; a shell command, with $INPUT and $SCRATCH. */
  readonly shell?: string;
  /** Why its answer may differ; told in the table. */
  readonly differs?: string;
  /** Slow ones run once. */
  readonly once?: boolean;
  /** The bytes of the largest input that it can take; left out beyond. */
  readonly upTo?: number;
  /** What it reads in the place of the input. */
  readonly reads?: (input: Input) => string;
  readonly run?: (task: Task) => Promise<Answer> | Answer;
}

export interface Input {
  readonly path: string;
  /** What MB/s is counted by. */
  readonly bytes: number;
}

/** What a contender is given. */
export interface Task extends Input {
  /** An empty folder of its own for what it makes, which is removed when its time has been taken. */
  readonly scratch: string;
}

export interface Question {
  readonly name: string;
  readonly question: string;
  readonly runs?: number;
  readonly contenders: readonly Contender[];
  /** Makes the input, the same for all. `size` is the command line's. */
  input(size: string | undefined): Promise<Input> | Input;
}

/** One contender's part of a result. Times in seconds of the whole process, its start included. */
export interface Outcome {
  readonly name: string;
  readonly ours: boolean;
  readonly seconds: number[];
  readonly median: number;
  /** Of user and system, median. */
  readonly cpu: number;
  readonly mbPerSecond: number;
  /** Peak resident set. */
  readonly peakMiB: number | null;
  readonly answer: Answer | null;
  readonly note: string | null;
}

export interface ChildReport {
  readonly answer: Answer;
  /** The contender's own time, where it took it. */
  readonly seconds: number | null;
  readonly peakMiB: number;
  readonly cpu: number;
}

const REPORT = 'bench-report ';
const MOST_TOUCHED_BYTES = 4e9; // 4 GB

/** Runs the question: as a parent all of it, as a child one contender. */
export async function ask(question: Question): Promise<void> {
  const [first, ...rest] = process.argv.slice(2);
  if (first === '--contender') {
    const [name, path, bytes, scratch] = rest;
    if (name === undefined) return;
    const contender = question.contenders.find((one) => one.name === name);
    const task = { path: path!, bytes: Number(bytes), scratch: scratch! };
    const { seconds = null, cpu, peakMiB, ...answer } = await contender!.run!(task);
    const { userCPUTime, systemCPUTime } = process.resourceUsage();
    const report: ChildReport = {
      answer,
      seconds: seconds === null ? null : Number(seconds),
      peakMiB: Number(peakMiB ?? ownPeakMiB()),
      cpu: Number(cpu ?? (userCPUTime + systemCPUTime) / 1e6),
    };
    process.stdout.write(`${REPORT}${JSON.stringify(report)}\n`);
    return;
  }
  built();
  const only = rest.length > 0 ? new Set(rest) : null;
  const input = await question.input(first);
  const contenders = question.contenders.filter(
    ({ name, upTo = Number.POSITIVE_INFINITY }) =>
      (only === null || only.has(name)) && input.bytes <= upTo,
  );
  const outcomes = measure(question, contenders, input);
  const result = {
    name: question.name,
    question: question.question,
    ...machine(),
    bytes: input.bytes,
    outcomes,
  };
  printTable(result);
  const file = first === undefined ? question.name : `${question.name}-${first}`;
  if (only === null) saveResult(file, result);
}

/** The folder of results: that of the page, or another for a quick look at all. */
export const RESULTS = process.env.BENCH_RESULTS ?? join(import.meta.dirname, '..', 'results');

/** Keeps a result beside the others. */
export function saveResult(name: string, result: unknown): void {
  mkdirSync(RESULTS, { recursive: true });
  writeFileSync(join(RESULTS, `${name}.json`), `${JSON.stringify(result, null, 1)}\n`);
}

/** Where and with what a result was measured. */
export function machine() {
  return {
    date: new Date().toISOString().slice(0, 10),
    node: process.version,
    cpu: `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}`,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
  };
}

function measure(question: Question, contenders: readonly Contender[], input: Input): Outcome[] {
  const runs = question.runs ?? 3;
  const took = new Map<string, { seconds: number[]; reports: ChildReport[] }>();
  node([process.argv[1]!, '--contender']);
  for (let round = 0; round < runs; round++) {
    // Each round begins with another one: who comes behind a great eater of memory pays for it.
    const first = Math.floor((round * contenders.length) / runs);
    for (const contender of [...contenders.slice(first), ...contenders.slice(0, first)]) {
      if (contender.once === true && round > 0) continue;
      const scratch = mkdtempSync(join(DATA, 'scratch-'));
      const task = { ...input, scratch };
      touchMemory(task);
      readAll(contender.reads?.(input) ?? input.path);
      const begun = performance.now();
      const report =
        contender.shell === undefined ? child(contender, task) : shell(contender.shell, task);
      const seconds = report?.seconds ?? (performance.now() - begun) / 1000;
      rmSync(scratch, { recursive: true });
      const so = took.get(contender.name) ?? { seconds: [], reports: [] };
      so.seconds.push(seconds);
      if (report !== null) so.reports.push(report);
      took.set(contender.name, so);
      process.stderr.write(`  ${contender.name} ${seconds.toFixed(2)} s\n`);
    }
    if (round === 0) checkAnswers(contenders, took);
  }
  return contenders.map((contender) => {
    const { seconds, reports } = took.get(contender.name)!;
    const middle = median(seconds);
    return {
      name: contender.name,
      ours: contender.ours === true,
      seconds,
      median: middle,
      cpu: reports.length === 0 ? 0 : median(reports.map(({ cpu }) => cpu)),
      mbPerSecond: input.bytes / 1e6 / middle,
      peakMiB: reports.length === 0 ? null : Math.max(...reports.map(({ peakMiB }) => peakMiB)),
      answer: reports[0]?.answer ?? null,
      note: contender.differs ?? null,
    };
  });
}

/**
 * Has the machine use as much memory as the input takes, and leave it. The host of a virtual machine
 * takes free pages back, and to get them again costs seconds for each gigabyte, which whoever happens
 * to write first would pay.
 */
function touchMemory({ bytes, scratch }: Task): void {
  const most = Math.min(bytes, MOST_TOUCHED_BYTES);
  spawnSync('sh', [
    '-c',
    `head -c ${most} /dev/zero > '${scratch}/touched'; rm '${scratch}/touched'; sync`,
  ]);
}

/** So that nobody pays for a cold cache: a virtual machine may give up pages within a minute. */
function readAll(path: string): void {
  spawnSync('sh', ['-c', `find '${path}' -type f -exec cat {} + > /dev/null`]);
}

function checkAnswers(
  contenders: readonly Contender[],
  took: ReadonlyMap<string, { reports: readonly ChildReport[] }>,
): void {
  const truth: Record<string, { value: number | string; by: string }> = {};
  for (const { name, differs } of contenders) {
    if (differs !== undefined) continue;
    for (const [key, value] of Object.entries(took.get(name)?.reports[0]?.answer ?? {})) {
      truth[key] ??= { value, by: name };
      if (truth[key].value !== value) {
        throw new Error(
          `${name} says ${key} = ${value}, ${truth[key].by} says ${truth[key].value}`,
        );
      }
    }
  }
}

function child(contender: Contender, { path, bytes, scratch }: Task): ChildReport {
  const script = process.argv[1]!;
  const args = [script, '--contender', contender.name, path, String(bytes), scratch];
  const { stdout, stderr, status } = node(args);
  const report = status === 0 ? reportIn(stdout) : null;
  if (report === null) {
    throw new Error(`${contender.name} failed (${status}): ${stderr.slice(-2000)}`);
  }
  return report;
}

/** What a contender's process printed at its end; null when it did not. */
export function reportIn(stdout: string): ChildReport | null {
  const line = stdout.split('\n').find((each) => each.startsWith(REPORT));
  return line === undefined ? null : (JSON.parse(line.slice(REPORT.length)) as ChildReport);
}

/**
 * The most memory that this process has had. Not `maxRSS`, which begins with what the process had that
 * started it.
 */
function ownPeakMiB(): number {
  if (process.platform !== 'linux') return process.resourceUsage().maxRSS / 1024;
  const status = readFileSync('/proc/self/status', 'utf8');
  return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024;
}

function node(args: readonly string[]) {
  return spawnSync(process.execPath, args, {
    encoding: 'utf8',
    env: { ...process.env, ...KEEP_COMPILED },
    maxBuffer: 64 * 1024 * 1024,
  });
}

function shell(command: string, { path, scratch }: Task): null {
  const { status } = spawnSync('sh', ['-c', command], {
    env: { ...process.env, INPUT: path, SCRATCH: scratch },
  });
  if (status !== 0) throw new Error(`${command} failed`);
  return null;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** A result that was kept, or null. */
export function readResult<T>(name: string): T | null {
  try {
    return JSON.parse(readFileSync(join(RESULTS, `${name}.json`), 'utf8')) as T;
  } catch {
    return null;
  }
}
