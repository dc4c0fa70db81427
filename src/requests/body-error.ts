import { isObject } from './json.ts';

/** What is wrong with a request, in the service's own code and words' sense. */
export interface BodyError {
  readonly code: 'invalid_request';
  /** Never holds text of the request. */
  readonly message: string;
  /** Where, as the service writes it: `body.messages[0].content`. */
  readonly param: string;
}

/** Stands for a value that is only known with a record; it is taken to be right. */
export const UNKNOWN: unique symbol = Symbol('known with a record');

/** Whether something of the value is only known with a record. */
export function hasUnknown(value: unknown): boolean {
  if (value === UNKNOWN) return true;
  if (Array.isArray(value)) return value.some(hasUnknown);
  return isObject(value) && Object.values(value).some(hasUnknown);
}

/** `what` goes on behind the name of the parameter. */
export function wrong(param: string, what: string): BodyError {
  return { code: 'invalid_request', message: `${param} ${what}`, param };
}
