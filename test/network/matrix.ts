/**
 * The network matrix: what becomes of each call when each fault befalls its first try and all is well
 * after it. matrix.test.ts holds the client to every cell, classes.test.ts a job to every class, and
 * docs/network-matrix.md shows it.
 */

export const CALLS = [
  'upload',
  'create',
  'batches',
  'batch',
  'cancel',
  'files',
  'file',
  'content',
  'delete',
  'token',
] as const;

export type Call = (typeof CALLS)[number];

/** What a job does about it. */
export const CLASSES = {
  ok: 'nothing: it went well at the first try',
  retry: 'the client tries again by itself, after what the service asks for and a jitter',
  resume: 'the download goes on where it was cut, by `Range` where the service has it',
  later: 'nothing was done; the step is tried again with growing waits, as long as the job runs',
  adopt:
    'it may have been done: the job looks for the batch and adopts it, and asks again only when it has not shown up within the grace',
  wait: 'refused for now: the attempt is closed, the shard waits for its next; no row is charged',
  gone: 'the service does not have it: looked for again for some polls, then its rows go into a new shard, or its file up again',
  note: 'the refusal stands in the log, and the job goes on without',
  pause:
    'the target takes no more shards; with no other one the job pauses, with the words of the service',
  stop: 'the run ends with the words of the service; no attempt is burned, `resume` goes on',
} as const;

export type Class = keyof typeof CLASSES;

export interface Row {
  readonly fault: string;
  /** Of the error that a caller sees where there is one; null where nothing is thrown. */
  readonly code: string | null;
  readonly cells: Readonly<Record<Call, Class>>;
}

/** Faults of the line, through a proxy of TCP before the emulator. */
export const WIRE = rows(`
                                            |                      | upload  create  batches batch   cancel  files   file    content delete  token
  slow line, 20 ms a piece                  | -                    | ok      ok      ok      ok      ok      ok      ok      ok      ok      ok
  narrow line, 50 kB/s                      | -                    | ok      ok      ok      ok      ok      ok      ok      ok      ok      ok
  torn to pieces of 7 bytes                 | -                    | ok      ok      ok      ok      ok      ok      ok      ok      ok      ok
  reset at the first byte                   | connection_lost      | retry   adopt   retry   retry   retry   retry   retry   retry   retry   retry
  reset in the request                      | connection_lost      | retry   adopt   retry   retry   retry   retry   retry   retry   retry   retry
  reset after the request, the answer lost  | connection_lost      | retry   adopt   retry   retry   retry   retry   retry   retry   retry   retry
  closed after the request, the answer lost | connection_lost      | retry   adopt   retry   retry   retry   retry   retry   retry   retry   retry
  no answer                                 | timeout              | retry   adopt   retry   retry   retry   retry   retry   retry   retry   retry
  answer stops in its head                  | timeout              | retry   adopt   retry   retry   retry   retry   retry   retry   retry   retry
  answer stops in its body                  | timeout              | retry   adopt   retry   retry   retry   retry   retry   resume  retry   retry
  answer cut in its body                    | connection_lost      | retry   adopt   retry   retry   retry   retry   retry   resume  retry   retry
`);

/** Answers of a service, or of what stands before it. */
export const HTTP = rows(`
                                            |                      | upload  create  batches batch   cancel  files   file    content delete  token
  400                                       | someCode             | stop    pause   stop    stop    note    stop    stop    stop    note    stop
  400 token_limit_exceeded                  | token_limit_exceeded | later   wait    later   later   later   later   later   later   later   stop
  400 x-should-retry: true                  | someCode             | retry   pause   retry   retry   retry   retry   retry   retry   retry   stop
  401 to a key                              | someCode             | stop    stop    stop    stop    note    stop    stop    stop    note    stop
  401 to a token                            | -                    | retry   retry   retry   retry   retry   retry   retry   retry   retry   stop
  403                                       | someCode             | stop    stop    stop    stop    note    stop    stop    stop    note    retry
  404                                       | someCode             | stop    pause   stop    gone    note    stop    gone    gone    ok      retry
  408                                       | someCode             | retry   wait    retry   retry   retry   retry   retry   retry   retry   retry
  409                                       | someCode             | retry   wait    retry   retry   later   retry   retry   retry   retry   retry
  429                                       | someCode             | retry   wait    retry   retry   retry   retry   retry   retry   retry   retry
  429 retry-after in seconds                | someCode             | retry   wait    retry   retry   retry   retry   retry   retry   retry   retry
  429 retry-after as a date                 | someCode             | retry   wait    retry   retry   retry   retry   retry   retry   retry   retry
  429 x-should-retry: false                 | someCode             | stop    wait    stop    stop    note    stop    stop    stop    note    retry
  500                                       | someCode             | retry   adopt   retry   retry   retry   retry   retry   retry   retry   retry
  502, a page                               | http_502             | retry   adopt   retry   retry   retry   retry   retry   retry   retry   retry
  503                                       | someCode             | retry   adopt   retry   retry   retry   retry   retry   retry   retry   retry
  504, empty                                | http_504             | retry   adopt   retry   retry   retry   retry   retry   retry   retry   retry
  redirect                                  | redirected           | stop    pause   stop    stop    note    stop    stop    stop    note    retry
  no HTTP                                   | connection_lost      | retry   adopt   retry   retry   retry   retry   retry   retry   retry   retry
  length shorter than the body              | bad_answer           | retry   adopt   retry   retry   retry   retry   retry   ok      ok      retry
  length longer than the body               | connection_lost      | retry   adopt   retry   retry   retry   retry   retry   resume  retry   retry
  error whose body is cut                   | connection_lost      | retry   adopt   retry   retry   retry   retry   retry   retry   retry   stop
  JSON that is none                         | bad_answer           | retry   adopt   retry   retry   retry   retry   retry   ok      ok      retry
  JSON of something else                    | bad_answer           | retry   adopt   retry   retry   retry   retry   retry   ok      ok      retry
  a page instead of JSON                    | bad_answer           | retry   adopt   retry   retry   retry   retry   retry   retry   ok      retry
  slow, but whole                           | -                    | ok      ok      ok      ok      ok      ok      ok      ok      ok      ok
`);

/** Reads a table: the name of the fault, the code, and the classes in the order of CALLS. */
function rows(table: string): readonly Row[] {
  const [head = '', ...lines] = table.split('\n').filter((line) => line.trim() !== '');
  if (cellsOf(head).join() !== CALLS.join()) throw new Error(`other calls: ${head}`);
  return lines.map((line) => {
    const [fault = '', code = ''] = line.split('|').map((part) => part.trim());
    const classes = cellsOf(line);
    const wrong = classes.find((name) => !Object.hasOwn(CLASSES, name));
    if (classes.length !== CALLS.length || wrong !== undefined) throw new Error(`wrong: ${line}`);
    const cells = Object.fromEntries(CALLS.map((call, index) => [call, classes[index]]));
    return { fault, code: code === '-' ? null : code, cells: cells as Record<Call, Class> };
  });
}

function cellsOf(line: string): string[] {
  return (line.split('|').at(-1) ?? '').trim().split(/\s+/);
}

/** docs/network-matrix.md. */
export function page(): string {
  const tables = [
    ['On the wire', 'Real sockets, through a proxy of TCP in front of the emulator.', WIRE],
    ['In HTTP', 'What a service answers, or a gateway, a portal, a firewall before it.', HTTP],
  ] as const;
  const classes = Object.entries(CLASSES).map(([name, words]) => `| **${name}** | ${words} |`);
  const lines = [
    '# What a broken network does to a job',
    '',
    `Every call of the client meets every fault on its first try, and a service in good health after it: ${(WIRE.length + HTTP.length + 1) * CALLS.length} cells. What a job then does:`,
    '',
    '| | |',
    '|---|---|',
    ...classes,
    '',
    'No fault of the network fails a row: only the word of the service about that row does, or its attempts when they are used up.',
  ];
  for (const [title, words, table] of tables) {
    lines.push('', `## ${title}`, '', words, '');
    lines.push(`| | ${CALLS.join(' | ')} |`, `|---|${'---|'.repeat(CALLS.length)}`);
    for (const { fault, cells } of table) {
      lines.push(`| ${fault} | ${CALLS.map((call) => cells[call]).join(' | ')} |`);
    }
  }
  lines.push(
    '',
    'Where nobody listens at the address, every call is `later`: nothing was sent.',
    '',
    'This page is made from `test/network/matrix.ts`; `npx vitest run test/network` holds the client to every cell and a job to every class, and the page to the table (`-u` writes it anew).',
  );
  return `${lines.join('\n')}\n`;
}
