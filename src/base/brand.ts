/** A number that must not be mixed with other numbers by accident. Erased at run time. */
export type Brand<T, Name extends string> = T & { readonly __brand: Name };
