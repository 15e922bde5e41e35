delete from "public"."serial" as t
where t."id" = any ($1::pg_catalog.int8[])
