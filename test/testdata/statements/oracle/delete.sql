delete from "SHOP"."Every Thing" t
where t."id" = hextoraw(:1)
