insert into "public"."orders" as t ("customer", "id")
select v.c1, v.c2
from unnest($1::pg_catalog.text[], $2::pg_catalog.int8[]) as v (c1, c2)
on conflict ("id", "customer") do nothing
