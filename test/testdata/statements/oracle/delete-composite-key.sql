delete from "SHOP"."KEYS" t
where t."A" = to_timestamp(:1, 'YYYY-MM-DD HH24:MI:SS.FF9') and t."B" = to_nchar(:2)
