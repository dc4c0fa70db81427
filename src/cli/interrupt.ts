/** The first Ctrl-C: work ends at the next safe point. Its message tells how to go on. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

/**
 * Runs `work` with a signal that the first SIGINT or SIGTERM aborts. A second one ends the process
 * at once, which the job survives as it survives a crash.
 */
export async function interruptible<R>(work: (signal: AbortSignal) => Promise<R>): Promise<R> {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort(new Interrupted('stopped'));
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    return await work(controller.signal);
  } catch (error) {
    // Steps that were under way may report the end of their own connection instead of the reason.
    controller.signal.throwIfAborted();
    throw error;
  } finally {
    // Once interrupted, a further one still says 130 while the process takes its leave.
    if (!controller.signal.aborted) {
      process.off('SIGINT', stop);
      process.off('SIGTERM', stop);
    }
  }
}
