import fc from 'fast-check';

/**
 * One seed for every property, so that a change is judged by the inputs that judged the
 * one before it. `FC_SEED=random` draws another (the failure prints it), as the long runs do.
 */
const { FC_SEED = '1' } = process.env;
if (FC_SEED !== 'random') fc.configureGlobal({ seed: Number(FC_SEED) });
