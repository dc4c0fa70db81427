#!/usr/bin/env node
// Read by whatever Node is there, so that an old one is told what is missing instead of failing on
// a word that it does not know: no import of ours stands at the top, and the syntax is plain.

const NEEDED = [22, 19] as const;

const found = process.versions.node.split('.').map(Number);
const major = found[0] || 0;
const minor = found[1] || 0;

if (major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1])) {
  process.stderr.write(
    `millrace needs Node ${NEEDED.join('.')} or later; this is ${process.version}. Install a newer one from https://nodejs.org or with your version manager.\n`,
  );
  process.exitCode = 1;
} else {
  // Prompts and answers are personal data: what a run writes is for its user only.
  process.umask(0o077);
  quietSqlite();
  import('./main.ts').then(
    ({ main }) => main(process.argv.slice(2)),
    (error: unknown) => {
      process.stderr.write(`millrace: cannot start: ${String(error)}\n`);
      process.exitCode = 1;
    },
  );
}

/** The store is Node's own SQLite, whose warning that it is experimental says nothing to a user. */
function quietSqlite() {
  const emit = process.emitWarning;
  process.emitWarning = (...warning: unknown[]) => {
    const isSqlite = warning[1] === 'ExperimentalWarning' && /SQLite/.test(String(warning[0]));
    if (!isSqlite) Reflect.apply(emit, process, warning);
  };
}
