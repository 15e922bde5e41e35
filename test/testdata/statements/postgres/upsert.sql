insert into "public"."orders" as t ("customer", "id", "total", "code")
select v.c1, v.c2, v.c3, v.c4
from unnest($1::pg_catalog.text[], $2::pg_catalog.int8[], $3::pg_catalog.numeric[], $4::pg_catalog.bpchar[]) as v (c1, c2, c3, c4)
on conflict ("id", "customer") do update set
  "total" = excluded."total",
  "code" = excluded."code"
