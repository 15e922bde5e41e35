set identity_insert [dbo].[serial] off;
