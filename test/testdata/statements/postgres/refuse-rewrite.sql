with v ("id", "number", "a") as materialized (
  select v.c1, v.c2, v.c3
  from (select unnest($1::pg_catalog.int8[]) as c1, unnest($2::pg_catalog.int8[]) as c2, unnest($3::pg_catalog.text[]) as c3) as v
)
select 1 / (count(*) = 0)::pg_catalog.int4
from "public"."serial" as t, v
where t."id" = v."id" and (t."number" is distinct from v."number")
