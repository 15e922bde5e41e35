delete from "public"."orders" as t
using unnest($1::pg_catalog.int8[], $2::pg_catalog.text[]) as v (c1, c2)
where t."id" = v.c1 and t."customer" = v.c2
