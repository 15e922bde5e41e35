delete from "SHOP"."LOG"
