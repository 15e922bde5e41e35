update "SHOP"."ORDERS" t
set t."CODE" = :1, t."PARENT" = to_number(:2)
where t."ID" = to_number(:3) and t."CUSTOMER" = :4
