update "public"."orders" as t set "id" = v.c3, "customer" = v.c4
from (select unnest($1::pg_catalog.int8[]) as c1, unnest($2::pg_catalog.text[]) as c2, unnest($3::pg_catalog.int8[]) as c3, unnest($4::pg_catalog.text[]) as c4) as v
where t."id" = v.c1 and t."customer" = v.c2
