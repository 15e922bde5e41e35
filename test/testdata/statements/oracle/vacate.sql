update "SHOP"."ORDERS" t
set t."CODE" = null, t."PARENT" = null
where t."ID" = to_number(:1) and t."CUSTOMER" = :2
