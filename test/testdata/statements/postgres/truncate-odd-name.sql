do $bbody$
begin
  truncate table "public"."a $body$ ""b""" continue identity;
exception when insufficient_privilege or feature_not_supported or object_in_use then
  delete from "public"."a $body$ ""b""";
end
$bbody$
