merge into "SHOP"."ORDERS" t
using (select :1 as c1, :2 as c2 from dual) v
on (t."ID" = to_number(v.c2) and t."CUSTOMER" = v.c1)
when not matched then insert ("CUSTOMER", "ID")
values (v.c1, to_number(v.c2))
