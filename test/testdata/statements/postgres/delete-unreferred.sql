delete from "public"."orders" as t
using (select unnest($1::pg_catalog.int8[]) as c1, unnest($2::pg_catalog.text[]) as c2) as v
where t."id" = v.c1 and t."customer" = v.c2
and not exists (select from "public"."serial" as c where c."a" = t."id" and c."number" = t."customer")
and not exists (select from "public"."orders" as c where c."a" = t."id" and c."number" = t."customer" and not (t."id" = c."id" and t."customer" = c."customer"))
