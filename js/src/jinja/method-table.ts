// Tables of methods by name.
import type { Run } from './run.js';
import type { Value } from './values.js';

/** What a method does with its value and its arguments. */
export type Method<T> = (self: T, args: (Value | undefined)[], run: Run) => Value;

/** A method, with the names of its arguments. Without names it takes all, and those by name as a mapping at the end. */
export type Entry<T> = [names: readonly string[] | undefined, body: Method<T>];

/** The methods of a type. */
export type Methods = ReadonlyMap<string, Entry<never>>;

/** A table of methods. */
export function methods<T>(table: Record<string, Entry<T>>): Methods {
  return new Map(Object.entries(table)) as unknown as Methods;
}
