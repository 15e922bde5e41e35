update "SHOP"."ORDERS" t
set t."ID" = to_number(:1), t."CUSTOMER" = :2
where t."ID" = to_number(:3) and t."CUSTOMER" = :4
