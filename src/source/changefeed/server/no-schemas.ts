/**
 * No route has a schema, so nothing is ever compiled from one. Told so,
 * fastify does not load its compilers: 110 modules of a start.
 */
export const noSchemas = {
  compilersFactory: { buildValidator: refuse, buildSerializer: refuse },
};

function refuse(): never {
  throw new Error('a route has a schema: see no-schemas.ts');
}
