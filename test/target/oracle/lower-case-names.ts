/** Words of the contract's statements that are no names. */
const words = new Set(
  `add all alter always and as asc by cascade char column constraint
   count create default delete desc drop for foreign from generated identity in
   insert into is key not null on or order primary references rename
   select set table to unique update values virtual where
   binary_double binary_float blob boolean clob date interval json local
   nchar nclob number nvarchar2 raw timestamp varchar2 xmltype
   case check day dbms_lob else end getlength length month rawtohex second
   substr then time to_char when with year zone
   replicator_checkpoint applied epoch staging_id`.split(/\s+/),
);

/**
 * The contract writes names in lower case, without quotes, and means them so.
 * Oracle would fold them to upper case.
 */
export function inLowerCase(statement: string): string {
  return statement.replaceAll(
    /"[^"]*"|'(?:[^']|'')*'|\b[a-z_][a-z0-9_]*\b/g,
    (token) => (/^["']/.test(token) || words.has(token) ? token : `"${token}"`),
  );
}
