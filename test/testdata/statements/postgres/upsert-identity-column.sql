insert into "public"."serial" as t ("id", "number", "a")
overriding system value
select v.c1, v.c2, v.c3
from unnest($1::pg_catalog.int8[], $2::pg_catalog.int8[], $3::pg_catalog.text[]) as v (c1, c2, c3)
on conflict ("id") do update set
  "a" = excluded."a"
