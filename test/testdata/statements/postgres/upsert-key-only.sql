insert into "public"."orders" as t ("customer", "id")
select v.c1, v.c2
from (select unnest($1::pg_catalog.text[]) as c1, unnest($2::pg_catalog.int8[]) as c2) as v
on conflict ("id", "customer") do nothing
