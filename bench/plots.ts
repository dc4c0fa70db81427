// Draws the kept results as SVG: memory against time and against size (results/memory.json).
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readResult } from './lib/harness.ts';

interface Point {
  readonly size: string;
  readonly peakMiB: number;
  readonly curve: readonly (readonly [seconds: number, mib: number])[];
}

const WIDTH = 640;
const HEIGHT = 320;
const LEFT = 56;
const BOTTOM = 40;
const COLOURS = ['#1b6ca8', '#c1571e', '#3d8b40', '#7a4fa3'];

/** Memory over the course of each run, as a part of its length, so that runs of all sizes compare. */
function memoryPlot(title: string, points: readonly Point[]): string {
  const most = Math.max(...points.map(({ peakMiB }) => peakMiB)) * 1.15;
  const x = (part: number) => LEFT + part * (WIDTH - LEFT - 16);
  const y = (mib: number) => HEIGHT - BOTTOM - (mib / most) * (HEIGHT - BOTTOM - 36);
  const lines = points.map(({ curve, size, peakMiB }, n) => {
    const length = curve.at(-1)?.[0] ?? 1;
    const path = curve.map(([at, mib]) => `${x(at / length).toFixed(1)},${y(mib).toFixed(1)}`);
    const colour = COLOURS[n % COLOURS.length];
    const label = `${size}: peak ${peakMiB.toFixed(0)} MiB, ${length.toFixed(0)} s`;
    return (
      `<polyline fill="none" stroke="${colour}" stroke-width="1.5" points="${path.join(' ')}"/>` +
      `<text x="${LEFT + 12}" y="${48 + n * 16}" fill="${colour}">${label}</text>`
    );
  });
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const mib = Math.round((most * part) / 10) * 10;
    return `<text x="${LEFT - 8}" y="${y(mib) + 4}" text-anchor="end">${mib}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">
<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>
<text x="${LEFT}" y="20" font-size="14">${title}: resident MiB over the run</text>
<line x1="${LEFT}" y1="${y(0)}" x2="${WIDTH - 16}" y2="${y(0)}" stroke="#888"/>
<line x1="${LEFT}" y1="${y(0)}" x2="${LEFT}" y2="32" stroke="#888"/>
${ticks.join('\n')}
<text x="${WIDTH / 2}" y="${HEIGHT - 12}" text-anchor="middle">from the start of the run to its end</text>
${lines.join('\n')}
</svg>
`;
}

const { results = [] } =
  readResult<{ results: { what: string; points: Point[] }[] }>('memory') ?? {};
for (const { what, points } of results) {
  const path = join(import.meta.dirname, 'results', `memory-${what}.svg`);
  writeFileSync(path, memoryPlot(`millrace ${what}`, points));
  process.stdout.write(`${path}\n`);
}
