update "public"."orders" as t
set "code" = v.c3
from (select unnest($1::pg_catalog.text[]) as c1, unnest($2::pg_catalog.int8[]) as c2, unnest($3::pg_catalog.bpchar[]) as c3) as v
where t."id" = v.c2 and t."customer" = v.c1
