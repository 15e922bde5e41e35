insert into "public"."t" as t ("id", "a")
overriding system value
select v.c1, v.c2
from (select unnest($1::pg_catalog.int8[]) as c1, unnest($2::pg_catalog.text[]) as c2) as v
