insert into "public"."orders" as t ("customer", "id", "total")
select v.c1, v.c2, v.c3
from (select unnest($1::pg_catalog.text[]) as c1, unnest($2::pg_catalog.int8[]) as c2, unnest($3::pg_catalog.numeric[]) as c3) as v
order by v.c2, v.c1
on conflict ("id", "customer") do update set
  "total" = excluded."total"
