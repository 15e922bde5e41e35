do $body$
begin
  truncate table "public"."orders", only "public"."serial" restart identity;
exception when insufficient_privilege or feature_not_supported or object_in_use then
  delete from "public"."orders";
  delete from only "public"."serial";
end
$body$
