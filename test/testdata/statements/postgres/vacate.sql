update "public"."orders" as t
set "code" = null
from (select unnest($1::pg_catalog.int8[]) as c1, unnest($2::pg_catalog.text[]) as c2) as v
where t."id" = v.c1 and t."customer" = v.c2
