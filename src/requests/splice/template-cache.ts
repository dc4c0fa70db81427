import type { SpliceTemplate } from './template.ts';

/** Templates that something is kept of at a time; readers know of four shapes. */
const MOST_TEMPLATES = 8;

/** What is made once for each of the templates that are in use. */
export class TemplateCache<T extends { close(): void } | null> {
  readonly #make: (template: SpliceTemplate) => T;
  /** The one that was made first comes first. */
  readonly #made = new Map<SpliceTemplate, T>();
  #template: SpliceTemplate | null = null;
  #last: T | undefined;

  constructor(make: (template: SpliceTemplate) => T) {
    this.#make = make;
  }

  get(template: SpliceTemplate): T {
    if (this.#last !== undefined && this.#template === template) return this.#last;
    const known = this.#made.get(template);
    const made = known === undefined ? this.#add(template) : known;
    this.#template = template;
    this.#last = made;
    return made;
  }

  close(): void {
    for (const made of this.#made.values()) made?.close();
    this.#made.clear();
    this.#last = undefined;
  }

  #add(template: SpliceTemplate): T {
    if (this.#made.size === MOST_TEMPLATES) {
      const [oldest, made] = this.#made.entries().next().value!;
      this.#made.delete(oldest);
      made?.close();
    }
    const made = this.#make(template);
    this.#made.set(template, made);
    return made;
  }
}
