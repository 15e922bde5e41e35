select 1 / (count(*) = 0)::pg_catalog.int4
from "public"."t" as t, (select unnest($1::pg_catalog.int8[]) as c1, unnest($2::pg_catalog.int8[]) as c2) as v
where t."id" = v.c1
