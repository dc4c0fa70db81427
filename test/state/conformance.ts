import { describe, expect, it } from 'vitest';
import type { Hold, SealedShard } from '../../src/core/job.ts';
import type { JobRow, Store } from '../../src/core/store.ts';
import { emptyProgress } from '../../src/shards/progress.ts';

export interface StoreUnderTest {
  store: Store;
  /** The same data again, as after a restart of the process. */
  reopen(): Promise<Store>;
}

const JOB: Omit<JobRow, 'version'> = {
  name: 'reviews',
  uid: '0a1b2c3d',
  createdAt: 1_700_000_000_000,
  spec: { sources: [], request: null, limits: { maxRequests: 1, maxBytes: 2, maxTokens: 3 } },
  state: 'preparing',
  planned: false,
  cancelRequested: false,
  rounds: 0,
  sample: null,
  pause: null,
};

const shard = (name: string, more: Partial<SealedShard> = {}): SealedShard => ({
  name,
  partition: 'p0000',
  requests: 10,
  bytes: 1000,
  tokens: 100,
  sha256: 'ab'.repeat(32),
  firstOrdinal: 0,
  lastOrdinal: 9,
  ...more,
});

const hold = (more: Partial<Hold> = {}): Hold => ({
  shard: 's',
  attempt: 1,
  target: 'default',
  tokens: 100,
  takenAt: 1,
  releasedAt: null,
  fileId: null,
  fileGoneAt: null,
  ...more,
});

/** What every store must do, whatever it keeps its rows in. */
export function storeConformance(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`the store contract: ${name}`, () => {
    it('gives closed holds with the open ones', async () => {
      const { store } = await open();
      await store.transaction(async (tx) => {
        await tx.insertHold(hold({ attempt: 1, releasedAt: 2, fileId: 'f', fileGoneAt: 3 }));
        await tx.insertHold(hold({ attempt: 2, takenAt: 4 }));
      });
      const { all, opened } = await store.read(async (tx) => ({
        all: await tx.holds(),
        opened: await tx.openHolds(),
      }));
      expect(all.map(({ attempt }) => attempt)).toEqual([1, 2]);
      expect(opened.map(({ attempt }) => attempt)).toEqual([2]);
    });

    it('gives every field of every row back as it was put, after a restart too', async () => {
      const { store, reopen } = await open();
      const partition = {
        name: 'p0000',
        source: 3,
        start: 17,
        end: 4_000_000_000,
        firstOrdinal: 12,
        records: 99,
        state: 'preparing' as const,
        progress: { ...emptyProgress(), sha256: 'ff', resumeAt: 42, rejected: 7 },
      };
      const target = {
        name: 'default',
        resource: 'https://x',
        limit: 5_000_000_000,
        statedLimit: 6,
        learnedLimit: 7,
        probedLimit: null,
        othersTokens: 3,
        othersFiles: 4,
        maxFiles: 500,
        deployment: 'd',
        credential: 'a key',
        retryAt: 8,
        failingSince: 9,
        restUntil: 10,
        drained: 'why',
      };
      const batch = {
        id: 'batch_1',
        target: 'default',
        shard: 's',
        attempt: 1,
        bound: true,
        status: 'failed' as const,
        outputFileId: 'o',
        errorFileId: null,
        total: 3,
        completed: null,
        failed: 1,
        errors: [{ code: 'c', message: 'm', line: 2, param: null }],
        createdAt: 5,
        endedAt: 6,
        tokens: 11,
      };
      await store.transaction(async (tx) => {
        await tx.insertJob(JOB);
        await tx.insertPartition(partition);
        await tx.insertShard(shard('s', { partition: 'p0000', lastOrdinal: 4_000_000_000 }), 1);
        await tx.putTarget(target);
        await tx.insertHold(hold({ fileId: 'f' }));
        await tx.putBatch(batch);
        await tx.appendEvent({
          at: 1,
          type: 't',
          subject: 's',
          detail: { n: 1, b: true, x: null },
        });
      });
      await store.close();
      const again = await reopen();
      await again.read(async (tx) => {
        expect(await tx.job()).toEqual({ ...JOB, version: 1 });
        expect(await tx.partitions()).toEqual([{ ...partition, version: 1 }]);
        expect(await tx.shard('s')).toMatchObject({
          ...shard('s', { lastOrdinal: 4_000_000_000 }),
          state: 'sealed',
          version: 1,
          attempt: 0,
          target: null,
          usage: { input: 0, cachedInput: 0, output: 0, reasoning: 0 },
          joinedSeq: null,
        });
        expect(await tx.targets()).toEqual([{ ...target, version: 1 }]);
        expect(await tx.hold('s', 1)).toEqual(hold({ fileId: 'f' }));
        expect(await tx.batch('batch_1')).toEqual(batch);
        expect(await tx.events(0, 10)).toMatchObject([{ detail: { n: 1, b: true, x: null } }]);
      });
      await again.transaction((tx) => tx.dropPartitions());
      expect(await again.read((tx) => tx.partitions())).toEqual([]);
      await again.close();
    });

    it('leaves nothing of a transaction that throws', async () => {
      const { store } = await open();
      const failing = store.transaction(async (tx) => {
        await tx.insertJob(JOB);
        await tx.putTask('finish', 'job', 1);
        throw new Error('no');
      });
      await expect(failing).rejects.toThrow('no');
      expect(await store.read((tx) => tx.job())).toBeUndefined();
      expect(await store.read((tx) => tx.tasks())).toEqual([]);
      await store.close();
    });

    it('serialises transactions: none sees half of another', async () => {
      const { store } = await open();
      await store.transaction((tx) => tx.insertShard(shard('s'), 1));
      const bump = () =>
        store.transaction(async (tx) => {
          const row = await tx.shard('s');
          await new Promise((resolve) => setImmediate(resolve));
          await tx.moveShard('s', row?.version ?? 0, { attempt: (row?.attempt ?? 0) + 1 });
        });
      await Promise.all(Array.from({ length: 20 }, bump));
      expect(await store.read((tx) => tx.shard('s'))).toMatchObject({ attempt: 20, version: 21 });
      await store.close();
    });

    it('fences a move from an old version, and moves nothing', async () => {
      const { store } = await open();
      await store.transaction((tx) => tx.insertShard(shard('s'), 1));
      const moved = await store.transaction((tx) => tx.moveShard('s', 1, { state: 'granted' }));
      expect(moved).toMatchObject({ state: 'granted', version: 2 });
      const late = store.transaction((tx) => tx.moveShard('s', 1, { state: 'ended' }));
      await expect(late).rejects.toMatchObject({ code: 'fenced' });
      expect(await store.read((tx) => tx.shard('s'))).toMatchObject({ state: 'granted' });
      await store.close();
    });

    it('clears a field that is set to null and keeps one that is not named', async () => {
      const { store } = await open();
      await store.transaction((tx) => tx.insertShard(shard('s'), 1));
      await store.transaction((tx) => tx.moveShard('s', 1, { fileId: 'f', note: 'n' }));
      const moved = await store.transaction((tx) => tx.moveShard('s', 2, { fileId: null }));
      expect(moved).toMatchObject({ fileId: null, note: 'n' });
      await store.close();
    });

    it('lists shards in the order of sending, and of joining', async () => {
      const { store } = await open();
      await store.transaction(async (tx) => {
        await tx.insertShard(shard('late'), 30);
        await tx.insertShard(shard('early'), 10);
        await tx.insertShard(shard('retry', { partition: null }), 40);
        await tx.moveShard('late', 1, { state: 'joined', joinedSeq: 1, ok: 4, failed: 1 });
        await tx.moveShard('early', 1, { state: 'joined', joinedSeq: 2, leftover: 3 });
      });
      await store.read(async (tx) => {
        const names = async (filter?: Parameters<typeof tx.shards>[0]) =>
          (await tx.shards(filter)).map((row) => row.name);
        expect(await names()).toEqual(['early', 'late', 'retry']);
        expect(await names({ states: ['joined'], limit: 1 })).toEqual(['early']);
        expect(await names({ joinedAfter: 0 })).toEqual(['late', 'early']);
        expect(await names({ joinedAfter: 1 })).toEqual(['early']);
        expect(await names({ leftover: true })).toEqual(['early']);
        expect(await tx.lastJoinedSeq()).toBe(2);
        expect(await tx.countShards()).toEqual({ joined: 2, sealed: 1 });
        expect(await tx.totals()).toMatchObject({ shards: 3, requests: 20, ok: 4, failed: 1 });
      });
      await store.close();
    });

    it('counts what is held: open holds, and live batches that nobody is bound to', async () => {
      const { store } = await open();
      const stray = {
        id: 'stray',
        target: 'default',
        shard: 's',
        attempt: 1,
        bound: false,
        status: 'in_progress' as const,
        outputFileId: null,
        errorFileId: null,
        total: null,
        completed: null,
        failed: null,
        errors: [],
        createdAt: 1,
        endedAt: null,
        tokens: 7,
      };
      const held = () => store.read((tx) => tx.heldTokens('default'));
      await store.transaction(async (tx) => {
        await tx.insertHold(hold());
        await tx.insertHold(hold({ attempt: 2, tokens: 50 }));
        await tx.insertHold(hold({ attempt: 3, tokens: 1000, target: 'other' }));
        await tx.putBatch(stray);
        await tx.putBatch({ ...stray, id: 'bound', bound: true });
      });
      expect(await held()).toBe(157);
      await store.transaction((tx) => tx.updateHold('s', 1, { releasedAt: 9 }));
      await store.transaction((tx) => tx.updateHold('s', 1, { releasedAt: 10, fileId: 'f' }));
      expect(await store.read((tx) => tx.hold('s', 1))).toMatchObject({
        releasedAt: 9,
        fileId: 'f',
      });
      expect(await held()).toBe(57);
      await store.transaction((tx) => tx.putBatch({ ...stray, status: 'cancelled' }));
      expect(await held()).toBe(50);
      expect(await store.read((tx) => tx.totals())).toMatchObject({
        batches: 1,
        duplicateSubmissions: 1,
        attempts: 3,
      });
      await store.close();
    });

    it('refuses a second batch bound to the same attempt', async () => {
      const { store } = await open();
      const bound = {
        id: 'one',
        target: 'default',
        shard: 's',
        attempt: 1,
        bound: true,
        status: 'validating' as const,
        outputFileId: null,
        errorFileId: null,
        total: null,
        completed: null,
        failed: null,
        errors: [],
        createdAt: 1,
        endedAt: null,
        tokens: 7,
      };
      await store.transaction((tx) => tx.putBatch(bound));
      const second = store.transaction((tx) => tx.putBatch({ ...bound, id: 'two' }));
      await expect(second).rejects.toThrow();
      await store.transaction((tx) => tx.putBatch({ ...bound, status: 'completed' }));
      expect(await store.read((tx) => tx.batches({ shard: 's' }))).toMatchObject([
        { id: 'one', status: 'completed' },
      ]);
      await store.close();
    });

    it('keeps a wish that was put while the task ran', async () => {
      const { store } = await open();
      await store.transaction((tx) => tx.putTask('poll', 'r', 100));
      const [taken] = await store.read((tx) => tx.tasks());
      if (taken === undefined) throw new Error('no task');
      await store.transaction((tx) => tx.putTask('poll', 'r', 500));
      await store.transaction((tx) => tx.doneTask(taken));
      const [still] = await store.read((tx) => tx.tasks());
      expect(still).toMatchObject({ kind: 'poll', id: 'r', runAt: 100 });
      expect(still?.seq).toBeGreaterThan(taken.seq);
    });

    it('re-arms a task in the step that ends it, and never gives a number twice', async () => {
      const { store } = await open();
      await store.transaction((tx) => tx.putTask('poll', 'r', 100));
      const [first] = await store.read((tx) => tx.tasks());
      if (first === undefined) throw new Error('no task');
      await store.transaction(async (tx) => {
        await tx.doneTask(first);
        await tx.putTask('poll', 'r', 900);
      });
      const [second] = await store.read((tx) => tx.tasks());
      expect(second).toMatchObject({ runAt: 900 });
      expect(second?.seq).toBeGreaterThan(first.seq);
      await store.transaction((tx) => tx.doneTask(first));
      expect(await store.read((tx) => tx.tasks())).toHaveLength(1);
      await store.close();
    });
  });
}
