insert into "public"."t" as t ("id", "a")
overriding system value
select v.c1, v.c2
from unnest($1::pg_catalog.int8[], $2::pg_catalog.text[]) as v (c1, c2)
on conflict ("id") do update set
  "a" = excluded."a"
